SELECT t."topic", t."partition", t."warehouse", t."epoch", t."next_offset", t."state", '0'
FROM main."_cdc_offsets_shop" t JOIN (SELECT r.value ->> 0 AS "topic", CAST(r.value ->> 1 AS INTEGER) AS "partition"
FROM json_each(?) r) s ON t."topic" = s."topic" AND t."partition" = s."partition"
UNION ALL
SELECT t."topic", t."partition", t."warehouse", t."epoch", t."next_offset", t."state", '1'
FROM main."orders__cdc_deleted" t JOIN (SELECT r.value ->> 0 AS "topic", CAST(r.value ->> 1 AS INTEGER) AS "partition"
FROM json_each(?) r) s ON t."topic" = s."topic" AND t."partition" = s."partition";
