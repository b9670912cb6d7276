SELECT GET_LOCK('tidegate_3224e918aaedc34e003065b1c871293df7f9eacb', 30);
UPDATE `shop`.`orders` SET `_cdc_operation` = 'd', `_cdc_processed_at` = CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6)), `_cdc_timestamp` = CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6)), `_cdc_source_lsn` = ?
WHERE COALESCE(`_cdc_source_lsn`, '') < ?;
