MERGE INTO "SHOP"."PUBLIC"."_cdc_truncates_orders_history" t
USING (SELECT CAST(? AS VARCHAR) AS "_cdc_source_lsn", CAST(? AS TIMESTAMP_TZ) AS "_cdc_timestamp", CAST(? AS TIMESTAMP_TZ) AS "_cdc_processed_at") s
ON t."_cdc_source_lsn" = s."_cdc_source_lsn"
WHEN NOT MATCHED THEN INSERT ("_cdc_source_lsn", "_cdc_timestamp", "_cdc_processed_at") VALUES (s."_cdc_source_lsn", s."_cdc_timestamp", s."_cdc_processed_at")
