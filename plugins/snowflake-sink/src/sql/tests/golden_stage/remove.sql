REMOVE '@"SHOP"."PUBLIC"."_cdc_stage_shop"/c0ffee/0-1f/'
