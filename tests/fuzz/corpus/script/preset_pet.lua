preset "pet"{quiet=true}
policy{shape="skip"}
