CREATE TEMPORARY TABLE "_tidegate_rows" ("__row" text, "__old_0" bigint, "__old_1" text, "__up_to" text COLLATE "C", "__passes" boolean, "__early" boolean) ON COMMIT DROP;
COPY pg_temp."_tidegate_rows" FROM STDIN;
SELECT s."__row"::text, CASE WHEN (found.at IS NULL OR (NOT s."__passes" AND latest.at > found.at)) THEN '' ELSE 'early' END::text
FROM pg_temp."_tidegate_rows" s
CROSS JOIN LATERAL (SELECT (SELECT MAX(q."_cdc_source_lsn" COLLATE "C") FROM "shop"."orders_history" q WHERE q."id" = s."__old_0" AND q."region" = s."__old_1" AND q."_cdc_source_lsn" COLLATE "C" <= s."__up_to" AND (q."_cdc_operation" <> 'd')) AS at) found
CROSS JOIN LATERAL (SELECT MAX(q."_cdc_source_lsn" COLLATE "C") AS at FROM "shop"."orders_history" q WHERE q."id" = s."__old_0" AND q."region" = s."__old_1" AND q."_cdc_source_lsn" COLLATE "C" <= s."__up_to") latest
WHERE (found.at IS NULL OR (NOT s."__passes" AND latest.at > found.at)) OR (s."__early" AND latest.at = found.at);
DROP TABLE pg_temp."_tidegate_rows";
