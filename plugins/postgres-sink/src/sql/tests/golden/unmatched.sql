CREATE TEMPORARY TABLE "_tidegate_rows" ("__key" text COLLATE "C", "id" bigint, "region" text) ON COMMIT DROP;
COPY pg_temp."_tidegate_rows" FROM STDIN;
SELECT s."__key"::text FROM pg_temp."_tidegate_rows" s
WHERE NOT EXISTS (SELECT FROM "shop"."orders" t WHERE t."id" = s."id" AND t."region" = s."region")
LIMIT 1000;
DROP TABLE pg_temp."_tidegate_rows";
