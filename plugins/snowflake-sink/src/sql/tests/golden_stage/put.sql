PUT 'file:///tidegate/1700000000-0.json.gz' '@"SHOP"."PUBLIC"."_cdc_stage_shop"/c0ffee/0-1f/' AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = GZIP OVERWRITE = TRUE
