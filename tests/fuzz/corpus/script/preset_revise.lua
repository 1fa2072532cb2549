preset "revise"{quiet=true}
policy{shape="skip"}
