MERGE INTO "SHOP"."PUBLIC"."_cdc_offsets_shop" t
USING (SELECT CAST(? AS TIMESTAMP_TZ) AS "updated_at", f.value[0]::VARCHAR AS "topic", f.value[1]::NUMBER(10,0) AS "partition", f.value[2]::VARCHAR AS "warehouse", f.value[3]::NUMBER(20,0) AS "epoch", f.value[4]::NUMBER(20,0) AS "__expected", f.value[5]::NUMBER(20,0) AS "next_offset", f.value[6]::VARCHAR AS "state"
FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))) f) s
ON t."topic" = s."topic" AND t."partition" = s."partition" AND t."warehouse" = s."warehouse"
WHEN MATCHED AND t."epoch" = s."epoch" AND EQUAL_NULL(t."next_offset", s."__expected") THEN UPDATE SET "next_offset" = s."next_offset", "state" = s."state", "updated_at" = s."updated_at"
