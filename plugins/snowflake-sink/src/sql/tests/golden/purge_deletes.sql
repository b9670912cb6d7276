DELETE FROM "SHOP"."PUBLIC"."orders__cdc_deleted" WHERE "_cdc_processed_at" < CAST(? AS TIMESTAMP_TZ) AND "key" <> '*'
