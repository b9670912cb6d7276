MERGE INTO "SHOP"."PUBLIC"."orders" t
USING (SELECT b.* FROM (SELECT CAST(? AS TIMESTAMP_TZ) AS "_cdc_processed_at", f.value[0]::NUMBER(38,0) AS "id", f.value[1]::VARCHAR AS "region", f.value[2]::NUMBER(18,4) AS "amount", PARSE_JSON(f.value[3]::VARCHAR, 'd') AS "document", TO_BINARY(f.value[4]::VARCHAR, 'BASE64') AS "photo", f.value[5]::VARCHAR AS "_cdc_operation", f.value[6]::TIMESTAMP_TZ AS "_cdc_timestamp", f.value[7]::VARCHAR AS "_cdc_source_lsn", f.value[8]::VARCHAR AS "_cdc_topic", f.value[9]::VARCHAR AS "__key"
FROM (SELECT $1 AS value FROM '@"SHOP"."PUBLIC"."_cdc_stage_shop"/c0ffee/0-1f/1700000000-0.json.gz') f) b
LEFT JOIN "SHOP"."PUBLIC"."orders__cdc_deleted" d ON d."key" = b."__key"
WHERE b."_cdc_operation" = 'd' OR ((d."_cdc_source_lsn" IS NULL OR b."_cdc_source_lsn" > d."_cdc_source_lsn")
AND b."_cdc_source_lsn" > COALESCE((SELECT MAX(z."_cdc_source_lsn") FROM "SHOP"."PUBLIC"."orders__cdc_deleted" z WHERE z."key" = '*'), ''))) s
ON t."id" = s."id"
WHEN MATCHED AND s."_cdc_source_lsn" > COALESCE(t."_cdc_source_lsn", '') AND s."_cdc_operation" = 'd' THEN DELETE
WHEN MATCHED AND s."_cdc_source_lsn" > COALESCE(t."_cdc_source_lsn", '') THEN UPDATE SET "region" = s."region", "amount" = s."amount", "document" = s."document", "photo" = s."photo", "_cdc_operation" = s."_cdc_operation", "_cdc_timestamp" = s."_cdc_timestamp", "_cdc_source_lsn" = s."_cdc_source_lsn", "_cdc_topic" = s."_cdc_topic", "_cdc_processed_at" = s."_cdc_processed_at"
WHEN NOT MATCHED AND s."_cdc_operation" <> 'd' THEN INSERT ("id", "region", "amount", "document", "photo", "_cdc_operation", "_cdc_timestamp", "_cdc_source_lsn", "_cdc_topic", "_cdc_processed_at") VALUES (s."id", s."region", s."amount", s."document", s."photo", s."_cdc_operation", s."_cdc_timestamp", s."_cdc_source_lsn", s."_cdc_topic", s."_cdc_processed_at")
