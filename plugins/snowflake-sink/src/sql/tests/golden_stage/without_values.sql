SELECT s."__row", CASE WHEN o."id" IS NULL THEN '' ELSE 'early' END
FROM (SELECT f.value[0]::VARCHAR AS "__row", f.value[1]::NUMBER(38,0) AS "id", f.value[2]::VARCHAR AS "region", f.value[3]::VARCHAR AS "__key", f.value[4]::VARCHAR AS "__position", f.value[5]::VARCHAR AS "__own_since", f.value[6]::NUMBER(38,0) AS "__old_0", f.value[7]::VARCHAR AS "__old_1", f.value[8]::VARCHAR AS "__after", f.value[9]::VARCHAR AS "__until", f.value[10]::VARCHAR AS "__since", f.value[11]::BOOLEAN AS "__early"
FROM (SELECT $1 AS value FROM '@"SHOP"."PUBLIC"."_cdc_stage_shop"/c0ffee/0-1f/1700000000-0.json.gz') f) s LEFT JOIN "SHOP"."PUBLIC"."orders" t ON t."id" = s."id" AND t."region" = s."region"
LEFT JOIN "SHOP"."PUBLIC"."orders" o ON o."id" = s."__old_0" AND o."region" = s."__old_1" AND COALESCE(o."_cdc_source_lsn", '') >= s."__after" AND COALESCE(o."_cdc_source_lsn", '') <= s."__until" AND (COALESCE(o."_cdc_operation", '') <> 'd' OR o."_cdc_source_lsn" >= s."__since")
LEFT JOIN "SHOP"."PUBLIC"."orders__cdc_deleted" d ON d."key" = s."__key"
WHERE (t."id" IS NULL OR COALESCE(t."_cdc_source_lsn", '') < s."__own_since")
AND (o."id" IS NULL OR (s."__early" AND COALESCE(o."_cdc_operation", '') <> 'd'))
AND (d."_cdc_source_lsn" IS NULL OR s."__position" > d."_cdc_source_lsn")
AND s."__position" > COALESCE((SELECT MAX(z."_cdc_source_lsn") FROM "SHOP"."PUBLIC"."orders__cdc_deleted" z WHERE z."key" = '*'), '')
