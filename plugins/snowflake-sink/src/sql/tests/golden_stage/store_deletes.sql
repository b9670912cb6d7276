MERGE INTO "SHOP"."PUBLIC"."orders__cdc_deleted" t
USING (SELECT CAST(? AS TIMESTAMP_TZ) AS "_cdc_processed_at", f.value[0]::VARCHAR AS "key", f.value[1]::VARCHAR AS "_cdc_source_lsn"
FROM (SELECT $1 AS value FROM '@"SHOP"."PUBLIC"."_cdc_stage_shop"/c0ffee/0-1f/1700000000-0.json.gz') f) s
ON t."key" = s."key"
WHEN MATCHED AND s."_cdc_source_lsn" > COALESCE(t."_cdc_source_lsn", '') THEN UPDATE SET "_cdc_source_lsn" = s."_cdc_source_lsn", "_cdc_processed_at" = s."_cdc_processed_at"
WHEN NOT MATCHED THEN INSERT ("key", "_cdc_source_lsn", "_cdc_processed_at") VALUES (s."key", s."_cdc_source_lsn", s."_cdc_processed_at")
