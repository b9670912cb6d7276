DROP TEMPORARY TABLE IF EXISTS `shop`.`_tidegate_rows`;
CREATE TEMPORARY TABLE `shop`.`_tidegate_rows` (`__key` longtext COLLATE utf8mb4_nopad_bin, `id` bigint, `region` varchar(384) COLLATE utf8mb4_nopad_bin) ENGINE = InnoDB;
LOAD DATA LOCAL INFILE 'rows' INTO TABLE `shop`.`_tidegate_rows` CHARACTER SET utf8mb4
FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A'
(`__key`, `id`, `region`);
SELECT s.`__key` FROM `shop`.`_tidegate_rows` s LEFT JOIN `shop`.`orders` t ON t.`id` = s.`id` AND t.`region` = s.`region`
WHERE t.`id` IS NULL
LIMIT 1000;
DROP TEMPORARY TABLE `shop`.`_tidegate_rows`;
