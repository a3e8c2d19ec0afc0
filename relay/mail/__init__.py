"""What a mail says: headers, addresses, parts and threads. Pure: bytes in, values out."""
