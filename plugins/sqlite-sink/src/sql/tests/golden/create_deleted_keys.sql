CREATE TABLE IF NOT EXISTS main."orders__cdc_deleted" ("key" TEXT NOT NULL PRIMARY KEY, "_cdc_source_lsn" TEXT, "_cdc_processed_at" TEXT) WITHOUT ROWID;
