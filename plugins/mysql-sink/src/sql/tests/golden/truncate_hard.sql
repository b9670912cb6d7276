SELECT GET_LOCK('tidegate_3224e918aaedc34e003065b1c871293df7f9eacb', 30);
DELETE FROM `shop`.`orders` WHERE COALESCE(`_cdc_source_lsn`, '') <= ?;
