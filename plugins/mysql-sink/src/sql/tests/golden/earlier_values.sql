DROP TEMPORARY TABLE IF EXISTS `shop`.`_tidegate_rows`;
CREATE TEMPORARY TABLE `shop`.`_tidegate_rows` (`__row` longtext COLLATE utf8mb4_nopad_bin, `__old_0` bigint, `__old_1` varchar(384) COLLATE utf8mb4_nopad_bin, `__up_to` longtext COLLATE utf8mb4_nopad_bin, `__passes` tinyint(1), `__early` tinyint(1)) ENGINE = InnoDB;
LOAD DATA LOCAL INFILE 'rows' INTO TABLE `shop`.`_tidegate_rows` CHARACTER SET utf8mb4
FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A'
(`__row`, `__old_0`, `__old_1`, `__up_to`, `__passes`, `__early`);
SELECT f.`__row`, CASE WHEN (f.`found` IS NULL OR (NOT f.`__passes` AND f.`latest` > f.`found`)) THEN '' ELSE 'early' END
FROM (SELECT s.`__row`, s.`__early`, s.`__passes`,
(SELECT q.`_cdc_source_lsn` FROM `shop`.`orders_history` q WHERE q.`id` = s.`__old_0` AND q.`region` = s.`__old_1` AND q.`_cdc_source_lsn` <= s.`__up_to` AND (q.`_cdc_operation` <> 'd') ORDER BY q.`_cdc_source_lsn` DESC LIMIT 1) AS `found`,
(SELECT q.`_cdc_source_lsn` FROM `shop`.`orders_history` q WHERE q.`id` = s.`__old_0` AND q.`region` = s.`__old_1` AND q.`_cdc_source_lsn` <= s.`__up_to` ORDER BY q.`_cdc_source_lsn` DESC LIMIT 1) AS `latest`
FROM `shop`.`_tidegate_rows` s) f
WHERE (f.`found` IS NULL OR (NOT f.`__passes` AND f.`latest` > f.`found`)) OR (f.`__early` AND f.`latest` = f.`found`);
DROP TEMPORARY TABLE `shop`.`_tidegate_rows`;
