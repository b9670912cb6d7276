UPDATE main."orders_history" AS t SET "_cdc_valid_to" = MAX(t."_cdc_valid_from", ?), "_cdc_processed_at" = ?
WHERE COALESCE(t."_cdc_source_lsn", '') <= ? AND (t."_cdc_valid_to" IS NULL OR (t."_cdc_valid_to" > ? AND t."_cdc_valid_to" > t."_cdc_valid_from"));
