// ShardIO
