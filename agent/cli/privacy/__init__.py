"""`rewards-agent learner export|erase|readmit`: what the law asks of whoever keeps data about people."""
