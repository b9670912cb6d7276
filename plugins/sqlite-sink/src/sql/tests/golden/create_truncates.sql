CREATE TABLE IF NOT EXISTS main."_cdc_truncates_orders_history" ("_cdc_source_lsn" TEXT NOT NULL PRIMARY KEY, "_cdc_timestamp" TEXT, "_cdc_processed_at" TEXT) WITHOUT ROWID;
