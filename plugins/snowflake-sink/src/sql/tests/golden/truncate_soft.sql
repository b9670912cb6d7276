UPDATE "SHOP"."PUBLIC"."orders" SET "_cdc_operation" = 'd', "_cdc_source_lsn" = ?, "_cdc_timestamp" = CAST(? AS TIMESTAMP_TZ), "_cdc_processed_at" = CAST(? AS TIMESTAMP_TZ)
WHERE COALESCE("_cdc_source_lsn", '') < ?
