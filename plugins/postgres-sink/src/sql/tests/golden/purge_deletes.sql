DELETE FROM "shop"."orders__cdc_deleted" WHERE "_cdc_processed_at" < CAST(CAST($1 AS text) AS timestamptz) AND "key" <> '*';
