UPDATE main."_cdc_offsets_shop" AS t SET "epoch" = s."epoch"
FROM (SELECT r.value ->> 0 AS "topic", CAST(r.value ->> 1 AS INTEGER) AS "partition", CAST(r.value ->> 2 AS INTEGER) AS "epoch"
FROM json_each(?) r) s
WHERE t."topic" = s."topic" AND t."partition" = s."partition" AND s."epoch" > t."epoch";
