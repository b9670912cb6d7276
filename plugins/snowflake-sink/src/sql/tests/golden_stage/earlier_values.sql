SELECT s."__row", CASE WHEN (s."__found" IS NULL OR (NOT s."__passes" AND s."__latest" > s."__found")) THEN '' ELSE 'early' END
FROM (SELECT b."__row" AS "__row", b."__passes" AS "__passes", b."__early" AS "__early", MAX(CASE WHEN q."_cdc_operation" <> 'd' THEN q."_cdc_source_lsn" END) AS "__found", MAX(q."_cdc_source_lsn") AS "__latest"
FROM (SELECT f.value[0]::VARCHAR AS "__row", f.value[1]::NUMBER(38,0) AS "__old_0", f.value[2]::VARCHAR AS "__old_1", f.value[3]::VARCHAR AS "__up_to", f.value[4]::BOOLEAN AS "__passes", f.value[5]::BOOLEAN AS "__early"
FROM (SELECT $1 AS value FROM '@"SHOP"."PUBLIC"."_cdc_stage_shop"/c0ffee/0-1f/1700000000-0.json.gz') f) b LEFT JOIN "SHOP"."PUBLIC"."orders_history" q ON q."id" = b."__old_0" AND q."region" = b."__old_1" AND q."_cdc_source_lsn" <= b."__up_to"
GROUP BY b."__row", b."__passes", b."__early") s
WHERE (s."__found" IS NULL OR (NOT s."__passes" AND s."__latest" > s."__found")) OR (s."__early" AND s."__latest" = s."__found")
