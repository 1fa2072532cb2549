preset "essmc2"{quiet=true}
policy{shape="skip"}
