CREATE TEMPORARY TABLE "_tidegate_rows" ("__row" text, "id" bigint, "region" text, "__position" text COLLATE "C", "__own_since" text COLLATE "C", "__old_0" bigint, "__old_1" text, "__after" text COLLATE "C", "__until" text COLLATE "C", "__since" text COLLATE "C", "__early" boolean) ON COMMIT DROP;
COPY pg_temp."_tidegate_rows" FROM STDIN;
SELECT s."__row"::text, CASE WHEN o."id" IS NULL THEN '' ELSE 'early' END::text
FROM pg_temp."_tidegate_rows" s LEFT JOIN "shop"."orders" t ON t."id" = s."id" AND t."region" = s."region"
LEFT JOIN "shop"."orders" o ON o."id" = s."__old_0" AND o."region" = s."__old_1" AND COALESCE(o."_cdc_source_lsn", '') COLLATE "C" >= s."__after" AND COALESCE(o."_cdc_source_lsn", '') COLLATE "C" <= s."__until" AND (COALESCE(o."_cdc_operation", '') <> 'd' OR o."_cdc_source_lsn" COLLATE "C" >= s."__since")
WHERE (t."id" IS NULL OR COALESCE(t."_cdc_source_lsn", '') COLLATE "C" < s."__own_since")
AND (o."id" IS NULL OR (s."__early" AND COALESCE(o."_cdc_operation", '') <> 'd'));
DROP TABLE pg_temp."_tidegate_rows";
