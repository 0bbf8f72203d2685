"""What recorded acts come to, in the words of analysts: pure, whole numbers and exact fractions."""
