strip "module."
