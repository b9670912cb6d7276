DROP TEMPORARY TABLE IF EXISTS `shop`.`_tidegate_rows`;
CREATE TEMPORARY TABLE `shop`.`_tidegate_rows` (`id` bigint, `region` varchar(384) COLLATE utf8mb4_nopad_bin, `amount` decimal(18,4), `document` longtext COLLATE utf8mb4_nopad_bin, `photo` longblob, `_cdc_operation` longtext COLLATE utf8mb4_nopad_bin, `_cdc_timestamp` datetime(6), `_cdc_source_lsn` longtext COLLATE utf8mb4_nopad_bin, `_cdc_topic` longtext COLLATE utf8mb4_nopad_bin) ENGINE = InnoDB;
LOAD DATA LOCAL INFILE 'rows' INTO TABLE `shop`.`_tidegate_rows` CHARACTER SET utf8mb4
FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A'
(`id`, `region`, `amount`, `document`, @v4, `_cdc_operation`, @v6, `_cdc_source_lsn`, `_cdc_topic`)
SET `photo` = UNHEX(@v4), `_cdc_timestamp` = CAST(LEFT(REPLACE(@v6, 'Z', ''), 26) AS DATETIME(6));
SELECT GET_LOCK('tidegate_3224e918aaedc34e003065b1c871293df7f9eacb', 30);
DELETE t FROM `shop`.`orders` t JOIN `shop`.`_tidegate_rows` s ON t.`id` = s.`id` AND t.`region` = s.`region`
WHERE s.`_cdc_operation` = 'd' AND s.`_cdc_source_lsn` > COALESCE(t.`_cdc_source_lsn`, '');
UPDATE `shop`.`orders` t JOIN `shop`.`_tidegate_rows` s ON t.`id` = s.`id` AND t.`region` = s.`region`
SET t.`amount` = s.`amount`, t.`document` = s.`document`, t.`photo` = s.`photo`, t.`_cdc_operation` = s.`_cdc_operation`, t.`_cdc_timestamp` = s.`_cdc_timestamp`, t.`_cdc_source_lsn` = s.`_cdc_source_lsn`, t.`_cdc_topic` = s.`_cdc_topic`, t.`_cdc_processed_at` = CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6))
WHERE s.`_cdc_source_lsn` > COALESCE(t.`_cdc_source_lsn`, '')
AND s.`_cdc_operation` <> 'd';
INSERT INTO `shop`.`orders` (`id`, `region`, `amount`, `document`, `photo`, `_cdc_operation`, `_cdc_timestamp`, `_cdc_source_lsn`, `_cdc_topic`, `_cdc_processed_at`)
SELECT s.`id`, s.`region`, s.`amount`, s.`document`, s.`photo`, s.`_cdc_operation`, s.`_cdc_timestamp`, s.`_cdc_source_lsn`, s.`_cdc_topic`, CAST(LEFT(REPLACE(?, 'Z', ''), 26) AS DATETIME(6)) FROM `shop`.`_tidegate_rows` s
LEFT JOIN `shop`.`orders` t ON t.`id` = s.`id` AND t.`region` = s.`region`
WHERE t.`id` IS NULL
AND s.`_cdc_operation` <> 'd'
ORDER BY s.`id`, s.`region`;
DROP TEMPORARY TABLE `shop`.`_tidegate_rows`;
