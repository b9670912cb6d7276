MERGE INTO "SHOP"."PUBLIC"."_cdc_offsets_shop" t
USING (SELECT t."topic" AS "topic", t."partition" AS "partition", t."warehouse" AS "warehouse", MAX(s."epoch") AS "epoch", MAX(t."next_offset") AS "next_offset", COALESCE(MAX_BY(t."state", t."next_offset"), MAX(t."state")) AS "state"
FROM "SHOP"."PUBLIC"."_cdc_offsets_shop" t JOIN (SELECT f.value[0]::VARCHAR AS "topic", f.value[1]::NUMBER(10,0) AS "partition", f.value[2]::NUMBER(20,0) AS "epoch"
FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))) f) s ON t."topic" = s."topic" AND t."partition" = s."partition"
GROUP BY t."topic", t."partition", t."warehouse") s
ON t."topic" = s."topic" AND t."partition" = s."partition" AND t."warehouse" = s."warehouse"
WHEN MATCHED AND s."epoch" > t."epoch" THEN UPDATE SET "epoch" = s."epoch", "next_offset" = s."next_offset", "state" = s."state"
