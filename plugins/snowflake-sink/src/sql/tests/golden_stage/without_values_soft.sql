SELECT s."__row", CASE WHEN o."id" IS NULL THEN '' ELSE 'early' END
FROM (SELECT f.value[0]::VARCHAR AS "__row", f.value[1]::NUMBER(38,0) AS "id", f.value[2]::VARCHAR AS "region", f.value[3]::VARCHAR AS "__position", f.value[4]::VARCHAR AS "__own_since", f.value[5]::NUMBER(38,0) AS "__old_0", f.value[6]::VARCHAR AS "__old_1", f.value[7]::VARCHAR AS "__after", f.value[8]::VARCHAR AS "__until", f.value[9]::VARCHAR AS "__since", f.value[10]::BOOLEAN AS "__early"
FROM (SELECT $1 AS value FROM '@"SHOP"."PUBLIC"."_cdc_stage_shop"/c0ffee/0-1f/1700000000-0.json.gz') f) s LEFT JOIN "SHOP"."PUBLIC"."orders" t ON t."id" = s."id" AND t."region" = s."region"
LEFT JOIN "SHOP"."PUBLIC"."orders" o ON o."id" = s."__old_0" AND o."region" = s."__old_1" AND COALESCE(o."_cdc_source_lsn", '') >= s."__after" AND COALESCE(o."_cdc_source_lsn", '') <= s."__until" AND (COALESCE(o."_cdc_operation", '') <> 'd' OR o."_cdc_source_lsn" >= s."__since")
WHERE (t."id" IS NULL OR COALESCE(t."_cdc_source_lsn", '') < s."__own_since")
AND (o."id" IS NULL OR (s."__early" AND COALESCE(o."_cdc_operation", '') <> 'd'))
