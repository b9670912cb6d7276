INSERT INTO `shop`.`_cdc_truncates_orders_history` (`_cdc_source_lsn`, `_cdc_timestamp`, `_cdc_processed_at`) VALUES (?, CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6)), CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6)))
ON DUPLICATE KEY UPDATE `_cdc_source_lsn` = `_cdc_source_lsn`;
