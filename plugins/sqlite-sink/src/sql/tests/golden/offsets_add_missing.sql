INSERT INTO main."_cdc_offsets_shop" ("topic", "partition", "warehouse", "next_offset", "state", "epoch")
SELECT s.*, 0
FROM (SELECT r.value ->> 0 AS "topic", CAST(r.value ->> 1 AS INTEGER) AS "partition", r.value ->> 2 AS "warehouse", r.value ->> 3 AS "next_offset", r.value ->> 4 AS "state"
FROM json_each(?) r) s WHERE TRUE
ON CONFLICT DO NOTHING;
