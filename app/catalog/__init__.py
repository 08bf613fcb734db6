"""Files to one frozen, validated catalog."""
