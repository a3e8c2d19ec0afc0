"""Who really sent a mail: SPF, DKIM, DMARC, ARC and the one sentence that follows."""
