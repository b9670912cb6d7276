UPDATE "shop"."_cdc_offsets_shop" t SET "epoch" = s."epoch"
FROM (SELECT CAST(r.value ->> 0 AS text) AS "topic", CAST(r.value ->> 1 AS integer) AS "partition", CAST(r.value ->> 2 AS numeric) AS "epoch" FROM jsonb_array_elements(CAST(CAST($1 AS text) AS jsonb)) r) s
WHERE t."topic" = s."topic" AND t."partition" = s."partition" AND s."epoch" > t."epoch";
