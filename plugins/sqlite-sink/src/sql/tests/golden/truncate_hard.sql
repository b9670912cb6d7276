DELETE FROM main."orders" AS t WHERE COALESCE(t."_cdc_source_lsn", '') <= ?;
