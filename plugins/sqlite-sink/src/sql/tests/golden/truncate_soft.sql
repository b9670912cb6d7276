UPDATE main."orders" AS t SET "_cdc_operation" = 'd', "_cdc_source_lsn" = ?, "_cdc_timestamp" = ?, "_cdc_processed_at" = ?
WHERE COALESCE(t."_cdc_source_lsn", '') < ?;
