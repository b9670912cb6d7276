INSERT INTO "shop"."_cdc_offsets_shop" ("topic", "partition", "warehouse", "next_offset", "state", "epoch")
SELECT s."topic", s."partition", s."warehouse", s."next_offset", s."state", 0 FROM (SELECT CAST(r.value ->> 0 AS text) AS "topic", CAST(r.value ->> 1 AS integer) AS "partition", CAST(r.value ->> 2 AS text) AS "warehouse", CAST(r.value ->> 3 AS bigint) AS "next_offset", CAST(r.value ->> 4 AS text) AS "state" FROM jsonb_array_elements(CAST(CAST($1 AS text) AS jsonb)) r) s
ON CONFLICT DO NOTHING;
