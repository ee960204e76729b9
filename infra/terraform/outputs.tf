output "outputs" {
  description = "The stack's outputs: ApiUrl, SettingsTableName, KeyringKeyArn and the others."
  value       = aws_cloudformation_stack.tenday.outputs
}

output "stack_id" {
  description = "The stack's ARN."
  value       = aws_cloudformation_stack.tenday.id
}
