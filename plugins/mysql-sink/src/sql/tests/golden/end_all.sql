SELECT GET_LOCK('tidegate_a8b37905c1016d84ae92bbc374c1754fc8fb4c02', 30);
UPDATE `shop`.`orders_history` SET `_cdc_valid_to` = GREATEST(`_cdc_valid_from`, CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6))), `_cdc_processed_at` = CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6))
WHERE COALESCE(`_cdc_source_lsn`, '') <= ? AND (`_cdc_valid_to` IS NULL OR (`_cdc_valid_to` > CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6)) AND `_cdc_valid_to` > `_cdc_valid_from`));
