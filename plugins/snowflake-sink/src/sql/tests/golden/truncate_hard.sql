DELETE FROM "SHOP"."PUBLIC"."orders" WHERE COALESCE("_cdc_source_lsn", '') <= ?
