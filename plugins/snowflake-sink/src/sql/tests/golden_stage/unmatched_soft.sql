SELECT s."__key"
FROM (SELECT f.value[0]::VARCHAR AS "__key", f.value[1]::NUMBER(38,0) AS "id", f.value[2]::VARCHAR AS "region"
FROM (SELECT $1 AS value FROM '@"SHOP"."PUBLIC"."_cdc_stage_shop"/c0ffee/0-1f/1700000000-0.json.gz') f) s LEFT JOIN "SHOP"."PUBLIC"."orders" t ON t."id" = s."id" AND t."region" = s."region"
WHERE t."id" IS NULL OR t."_cdc_operation" = 'd'
LIMIT 1000
