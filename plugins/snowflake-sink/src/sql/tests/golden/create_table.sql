CREATE TABLE IF NOT EXISTS "SHOP"."PUBLIC"."orders" ("id" NUMBER(38,0) NOT NULL, "region" VARCHAR NOT NULL, "amount" NUMBER(18,4), "document" VARIANT, "photo" BINARY, "_cdc_operation" VARCHAR, "_cdc_timestamp" TIMESTAMP_TZ, "_cdc_source_lsn" VARCHAR, "_cdc_topic" VARCHAR, "_cdc_processed_at" TIMESTAMP_TZ, PRIMARY KEY ("id", "region"))
COMMENT = 'Written by the connector''s \\ sink'
