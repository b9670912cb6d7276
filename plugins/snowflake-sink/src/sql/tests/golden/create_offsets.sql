CREATE TABLE IF NOT EXISTS "SHOP"."PUBLIC"."_cdc_offsets_shop" ("topic" VARCHAR NOT NULL, "partition" NUMBER(10,0) NOT NULL, "warehouse" VARCHAR NOT NULL, "epoch" NUMBER(20,0) NOT NULL, "next_offset" NUMBER(20,0), "updated_at" TIMESTAMP_TZ)
COMMENT = 'Offsets up to which a connector has written; do not change them while it runs'
