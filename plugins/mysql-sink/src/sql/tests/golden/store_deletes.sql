DROP TEMPORARY TABLE IF EXISTS `shop`.`_tidegate_rows`;
CREATE TEMPORARY TABLE `shop`.`_tidegate_rows` (`key` longtext COLLATE utf8mb4_nopad_bin, `_cdc_source_lsn` longtext COLLATE utf8mb4_nopad_bin) ENGINE = InnoDB;
LOAD DATA LOCAL INFILE 'rows' INTO TABLE `shop`.`_tidegate_rows` CHARACTER SET utf8mb4
FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A'
(`key`, `_cdc_source_lsn`);
INSERT INTO `shop`.`orders__cdc_deleted` (`key_digest`, `key`, `_cdc_source_lsn`, `_cdc_processed_at`)
SELECT UNHEX(SHA2(s.`key`, 256)), s.`key`, s.`_cdc_source_lsn`, CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6)) FROM `shop`.`_tidegate_rows` s ORDER BY 1
ON DUPLICATE KEY UPDATE `_cdc_processed_at` = IF(s.`_cdc_source_lsn` > COALESCE(`shop`.`orders__cdc_deleted`.`_cdc_source_lsn`, ''), CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6)), `shop`.`orders__cdc_deleted`.`_cdc_processed_at`),
`_cdc_source_lsn` = IF(s.`_cdc_source_lsn` > COALESCE(`shop`.`orders__cdc_deleted`.`_cdc_source_lsn`, ''), s.`_cdc_source_lsn`, `shop`.`orders__cdc_deleted`.`_cdc_source_lsn`);
DROP TEMPORARY TABLE `shop`.`_tidegate_rows`;
