CREATE TABLE IF NOT EXISTS "SHOP"."PUBLIC"."orders__cdc_deleted" ("key" VARCHAR NOT NULL, "_cdc_source_lsn" VARCHAR, "_cdc_processed_at" TIMESTAMP_TZ)
COMMENT = 'Keys that were deleted, so that late events do not bring their rows back'
