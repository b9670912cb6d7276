DELETE FROM main."orders__cdc_deleted" AS t WHERE t."_cdc_processed_at" < ? AND t."key" <> '*';
