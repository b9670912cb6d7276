MERGE INTO "SHOP"."PUBLIC"."orders_history" t
USING (SELECT CAST(? AS TIMESTAMP_TZ) AS "_cdc_valid_to", CAST(? AS TIMESTAMP_TZ) AS "_cdc_processed_at", CAST(? AS VARCHAR) AS "_cdc_source_lsn") s
ON COALESCE(t."_cdc_source_lsn", '') <= s."_cdc_source_lsn"
AND (t."_cdc_valid_to" IS NULL OR (t."_cdc_valid_to" > s."_cdc_valid_to" AND t."_cdc_valid_to" > t."_cdc_valid_from"))
WHEN MATCHED THEN UPDATE SET "_cdc_valid_to" = GREATEST(t."_cdc_valid_from", s."_cdc_valid_to"), "_cdc_processed_at" = s."_cdc_processed_at"
