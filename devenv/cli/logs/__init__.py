"""`devenv logs`: choosing, merging, following and printing lines."""
