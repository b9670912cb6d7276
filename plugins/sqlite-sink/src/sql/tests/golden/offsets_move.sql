UPDATE main."_cdc_offsets_shop" AS t SET "next_offset" = s."next_offset", "state" = s."state", "updated_at" = s."updated_at"
FROM (SELECT ? AS "updated_at", r.value ->> 0 AS "topic", CAST(r.value ->> 1 AS INTEGER) AS "partition", r.value ->> 2 AS "warehouse", CAST(r.value ->> 3 AS INTEGER) AS "epoch", CAST(r.value ->> 4 AS INTEGER) AS "__expected", CAST(r.value ->> 5 AS INTEGER) AS "next_offset", r.value ->> 6 AS "state"
FROM json_each(?) r) s
WHERE t."topic" = s."topic" AND t."partition" = s."partition" AND t."warehouse" = s."warehouse" AND t."epoch" = s."epoch" AND t."next_offset" IS s."__expected";
