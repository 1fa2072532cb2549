preset "strict" preset "nonstrict" local p = preset "partial" p{quiet=true}
preset "zip" preset("suffix", {}) preset "timm"{remap=true, classifier="a"} preset "fvcore" preset "maskrcnn"
