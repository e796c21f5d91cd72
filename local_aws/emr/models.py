"""EMR clusters that own a real Livy server."""
