INSERT INTO main."_cdc_truncates_orders_history" ("_cdc_source_lsn", "_cdc_timestamp", "_cdc_processed_at") VALUES (?, ?, ?) ON CONFLICT DO NOTHING;
